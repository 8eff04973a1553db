"""For tests of code that uses weft: a clock that the test moves, a server whose paths name their fate, a job store."""
