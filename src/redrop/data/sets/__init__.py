"""The data sets: a folder a family, a file a data set; its `DATA_SET` says where it is and how it is read."""
