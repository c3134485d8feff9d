"""Convolutional backbones of the papers, and weights for them from users' files."""
