"""What emulated hosts have in common that lend something by ssh: a door, faults, a timer, a command line."""
