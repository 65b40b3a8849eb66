"""The numbers that logs tell: which ones a line tells, as series over steps, and what is odd."""
