"""Where lines wait to be written: memory that outlives the process, and what is done with it afterwards."""
