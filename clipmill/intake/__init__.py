"""From a source to work: inspection, admission, the plan of what is missing."""
