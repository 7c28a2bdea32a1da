"""Instants are written to the second and with their zone, as records must be; the history in the admin is one."""

DATE_FORMAT = "Y-m-d"
DATETIME_FORMAT = "Y-m-d H:i:s e"
