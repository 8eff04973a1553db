"""weft in web frameworks: a scope with a deadline around each request, and honest answers to overload."""
