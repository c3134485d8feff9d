"""Start of a process and of its nodes: environment, arguments, parameters, classes named by the user."""
