"""Replay: what rules of any pattern language would have done over a span of recorded events.

```
 rules ──> narrowing (what must be there) ──> a source's workers read what is left ──> Counter ──> tallies, merged
                                                                                      └─> report: counts, top lists,
                                                                                          examples, alarm's history
```
Everything here computes; reading events is the ports' (``ports.replay``).
"""
