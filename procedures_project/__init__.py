"""The top storey: settings, wiring and the demo. Imported by nobody."""

__version__ = "0.1.0"  # the service's; nothing else has it
