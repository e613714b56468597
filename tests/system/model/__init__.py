"""The model test: random writes over few items, random faults, the real programs on a real Kafka, and a naive model that
says what may have become of each write. README.md in the folder above tells how to use it."""
