"""What people say in words, read by rule: clauses, aspects, polarity with strength, the part spoken of, and how sure.

    reading.read(comment, completion)      -> Reading: what was said, of which part, in which respect, how sure
    target.spans_of(words, completion)     -> the parts of a completion that words speak of
    grades.fit(...)                        -> weights of the aspects, from people's own grades; a grade with a variance
    learned.fit(...)                       -> a scorer learned from rated texts, where there are some
    asked.ask(sampler, ...)                -> the same reading by a model; None where it failed
    queue.queue(...)                       -> the comments that a person should look at, and who
    topics.topics(...)                     -> what many comments are about
    still.still_true(...)                  -> whether a comment still holds of a revision

English and Chinese. The words of opinion are our own (`english.txt`, `chinese.txt`) with those of VADER beside them
(`vader.tsv`, under its own licence); a list of valences of yours can be added (`Lexicon.with_words`). Sarcasm is not
read: where a sign of it is found, the reading says that it is unsure.
"""
