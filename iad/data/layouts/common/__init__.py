"""What layouts share: the protocol, folders by their names, rows of lists, and masks that have to be made."""
