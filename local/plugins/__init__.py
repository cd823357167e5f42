"""What stands in for the engine's plugins: a language host and an AWS plugin, each a process that the engine starts.

They share nothing with the rest of ``local``, which only puts programs that start them where the engine looks.
"""
