"""The lab: looks at the lesson, takes no part in it. Each folder is a room."""
