"""The data sets: a file each, whose `DATA_SET` says where it comes from and by which rules it is read."""
