"""The forms that a decoder's weights take for decoding (packed, int8), kept for as long as the weights are those."""

from __future__ import annotations

from burnish.models.decoder.forward import Decoder
from burnish.models.decoder.quantised import Products


class Forms:
    """Copies of one decoder's weights at a time, one of each kind that was asked for."""

    def __init__(self) -> None:
        self.made: dict[type[Products], Products] = {}
        self.made_from: tuple[Decoder, tuple[int, ...]] | None = None

    def of(self, decoder: Decoder, kind: type[Products]) -> Products | None:
        """Return the weights in this form, made when it is first asked for; None where that is not possible.

        Where the model was moved since, or given other weights, all are made anew.
        """
        if not kind.possible(decoder):
            return None
        now = decoder, decoder.places
        if self.made_from != now:
            self.made, self.made_from = {}, now
        if kind not in self.made:
            self.made[kind] = kind(decoder)
        return self.made[kind]
