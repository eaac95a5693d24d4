"""The equations, each with its check: a file for each chapter of the README."""
