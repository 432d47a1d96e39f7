"""The services, as plain functions on a Call."""
