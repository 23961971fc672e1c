"""Starting and stopping a service as one or more processes."""
