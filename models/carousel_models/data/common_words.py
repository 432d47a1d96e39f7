"""Which words of the training texts get a token of their own."""

from collections import Counter
from collections.abc import Iterable

from carousel.artifact import PADDING, UNKNOWN, words_of


def vocabulary_of(texts: Iterable[str], size: int) -> tuple[str, ...]:
    """Give what each token stands for: padding, unknown, then the commonest words, at most `size` in all.

    Of equally common words, those that come first in the alphabet are taken.
    """
    counts = Counter(word for text in texts for word in words_of(text))
    commonest = sorted(counts, key=lambda word: (-counts[word], word))
    return (PADDING, UNKNOWN, *commonest[: size - 2])
