"""The inbox's pages: plain HTML from templates in these files, one style sheet, one short script for refreshing."""
