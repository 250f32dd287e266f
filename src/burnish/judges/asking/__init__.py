"""How any judge asks: the fence around judged text, the shape of an answer, the ladder down to a counted failure."""
