"""Whether one clip is a copy of another: by small pictures of both."""
