"""The bundle's files on an emulated Arm processor."""
