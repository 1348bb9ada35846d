"""Tells people of incidents: what is to be told now, in which words, on which channel.

Two steps, so that no message is lost and no channel waits for another. What is to be told (`news`) is put
into the table `notices`, one row a channel, in the transaction that marks it as told; from there each channel
gets what it may get now (`letters`). How a channel is reached is left to the plugins.
"""
