"""A Nitrokey HSM in software: a SmartCard-HSM that the real pcscd and OpenSC take for a stick.

It is for tests and for learning. It protects nothing: keys and PINs lie in clear in one file, and
whoever reads that file has them. Never keep a key in it that matters.
"""
