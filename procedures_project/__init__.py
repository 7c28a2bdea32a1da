"""The top storey: settings, wiring and the demo. Imported by nobody."""
