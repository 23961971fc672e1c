"""What tests and the bench share: real servers, a running system, waiting for a condition, fakes. Not for production."""
