"""The documented data model, at its documented path: a view of what stages found."""
