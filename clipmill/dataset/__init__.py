"""What is published: tables, exports, the manifest."""
