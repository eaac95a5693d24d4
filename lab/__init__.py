"""The lab: looks at the lesson from outside and takes no part in it."""
