"""The commands, a file for those that belong together. `add_to(app)` registers them."""
