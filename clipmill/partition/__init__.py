"""Parts of a dataset, train, val and test, that share no video, no copy and no value of a chosen column."""
