"""What an attacker or an accident may hand to Preceptor, one file a kind: it must be refused, or come out harmless.

benchmarks/survival.py and tests/test_hostile.py go through all of them (table.py).
"""
