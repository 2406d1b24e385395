"""What `make run` needs on one machine: database, broker, emulated devices, and who watches over them."""
