"""Tables, documents, archives, audio and video: recipes, and what carries them out."""
