"""What the pages say, without HTTP."""
