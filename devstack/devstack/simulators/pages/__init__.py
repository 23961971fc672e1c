"""The inbox's pages: plain HTML from templates in these files, one style sheet, and one short script that refreshes them."""
