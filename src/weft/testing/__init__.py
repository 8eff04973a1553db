"""For tests of code that uses weft: a clock that the test moves, and a server whose paths name their fate."""
