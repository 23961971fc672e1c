"""From what an author writes to what is rendered: done once, when a version is saved or a draft is previewed."""
