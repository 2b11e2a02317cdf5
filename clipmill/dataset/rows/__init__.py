"""From what is known of videos and clips to the rows of the tables. Pure."""
