"""The authorization server: its clients, what people have granted them, its tokens and the keys that sign those.

Nothing here knows of HTTP or of Authlib, which the package of that name in the web layer does.
"""
