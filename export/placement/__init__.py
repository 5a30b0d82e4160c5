"""Which operators of a bundle's files the back ends on a phone take, and in how many partitions."""
