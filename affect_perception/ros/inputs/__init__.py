"""Subscriptions of images, depth and sound: the topic and the quality of service that fit what is published."""
