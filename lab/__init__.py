"""The lab: looks at the lesson, takes no part in it."""
