"""The round: sample -> ask -> learn reward -> train -> evaluate -> promote. Stages take and return ids."""
