"""`botyard`: what a person types. One file a noun or verb, imported only when it is asked for."""
