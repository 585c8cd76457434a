"""Preference data that others made, one format a file -> an import folder: pairs, opinions, single responses, account.

Every format module has one function from a Request to Items (found.py); folder.py places the two responses of each pair
by their content, so that nothing can be learnt from the slot, and writes the folder.
"""
