"""A study: students taught by teachers towards objectives, and what each of them inherited."""
