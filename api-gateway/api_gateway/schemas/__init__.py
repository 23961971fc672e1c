"""Request and response models, with examples."""
