"""Instants are written to the second and with their zone, as records need: the history in the admin is a record."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i:s e"
